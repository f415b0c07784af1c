"""Every verdict: gate, agreement, batch slots, preprocessing, TensorRT's parser."""
