"""CVs made for the tests: people who do not exist, on paper of many shapes, with what should be found."""
