"""From the network's boxes to KITTI: clustering and NMS, IoU and matching, average precision, truth, drawing."""
