"""Pages: one file per noun, and the frame and parts they are made of."""
