"""What a Sigma rule finds by its own text, evaluated on recorded events: an opinion beside that of the conversions."""
