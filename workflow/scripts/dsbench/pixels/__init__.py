"""From a frame to the network's tensor: the model's own way, and nvinfer's arithmetic."""
