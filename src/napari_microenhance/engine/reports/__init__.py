"""Reports: what a run did, as typed sections that are plain JSON as well."""
