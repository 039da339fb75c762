"""Stage four: was it right?"""
