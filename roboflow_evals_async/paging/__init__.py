"""Walking offset pages: once, in order, to the end. Knows no endpoint."""
