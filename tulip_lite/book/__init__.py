"""What the Jupyter Book needs of the package: how it draws stored figures, and how it lists the modules."""
