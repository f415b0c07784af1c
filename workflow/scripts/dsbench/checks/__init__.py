"""Every check, each with a verdict: gate, agreement, batch slots, preprocessing, TensorRT's parser."""
