"""What pages and the API read: one file per noun, each taking the user whose rights decide what there is to see."""
