"""One file for each module, under the same name; test_house and test_chain for all of them."""
