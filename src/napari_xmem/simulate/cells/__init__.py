"""How cells move, touch, grow and divide, and the space they live in."""
