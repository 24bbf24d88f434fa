"""The field's well-known figures on risk, measured anew, as pages to learn from: `make figures` writes docs/gallery."""
