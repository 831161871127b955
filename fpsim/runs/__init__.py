"""What is made of a finished or growing file: objects, a description, a comparison, a moving picture, a page."""
