"""The application's code as data: deployments, and how they are found, stored, and loaded side by side.

A deployment is a snapshot of the application's own modules. It contains the modules that name the application, every
module that these import from the same root (the top-level package; for a plain module, its folder), and the files other
than Python in the folders of those packages. Imports are found by reading the sources: import statements anywhere in a
module, and ``import_module("a.b")`` with a literal name.

It does not contain, and therefore always uses as installed: the standard library, installed packages, playhead itself,
modules whose names are computed at run time, and files beside a module that is in no package.

A module of the application is executed once for each loaded deployment, with all effects of its import (opening a
connection, registering a metric).
"""
