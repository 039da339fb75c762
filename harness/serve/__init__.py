"""Splunk's and LogScale's APIs on the embedded engine: each package in this folder is a family of endpoints."""
