"""Explorables: figures that compute in the reader's browser, a folder each, and what they share."""
