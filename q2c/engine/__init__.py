"""Events become steps, steps are claimed, run and recorded. Knows stages, no business."""
