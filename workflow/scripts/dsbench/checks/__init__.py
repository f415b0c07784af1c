"""Every check, each with a verdict: gate, agreement, accuracy, batch slots, preprocessing, TensorRT's parser."""
