"""The bench: what Podkeeper costs against doing the same by hand, measured in pairs in one run (`make bench`)."""
