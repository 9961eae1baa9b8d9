"""The main program of a child: nothing but the call.

A test's own children (multiprocessing's spawn) import the main program again, with a module path
that does not lead to the driver, so nothing may be imported here unless this is the main program.
"""

if __name__ == "__main__":
    import rw_driver

    rw_driver.main()
