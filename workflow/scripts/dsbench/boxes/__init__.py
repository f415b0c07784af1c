"""From the network's boxes to KITTI: clustering, matching, drawing."""
