"""From a folder of images and a few options to the YAML of a run: the first page of the exact way."""
