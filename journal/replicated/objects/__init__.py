"""A replicated log in an object store, such as Amazon S3, or in a folder."""
