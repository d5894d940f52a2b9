"""From a checkpoint to a network file and its int8 twin."""
