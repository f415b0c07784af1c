"""What a detector is: its family, its head, the signs by which a graph tells, its reference decoder."""
