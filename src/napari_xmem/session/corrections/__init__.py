"""What a person changes in results: corrected frames, ends of objects, lineages; what each step reaches and changes."""
