"""A dockbox's files, for who is not in its terminal: listed, read, written and removed.

The container may change anything at any time.  So every step of a way is taken from the open
folder before it, through no link; and only what is a file is ever opened.
"""
