"""The application's code as data: what a deployment is, how it is found, kept, and loaded beside others.

A deployment is a snapshot of the application's own modules. It holds the modules that the application is named by, whatever
these import that lies under the same root (the top-level package; for a plain module, its folder), and the files that are no
Python in the folders of the packages among them. Imports are found by reading the sources: import statements anywhere in a
module, and ``import_module("a.b")`` with its name written out.

Not in it, and therefore always as installed now: the standard library, installed packages, playhead itself, modules whose
names are put together at run time, and files beside a module that is in no package.

A module of the application is executed once for each deployment that is loaded. What it does when it is imported (opening a
connection, registering a metric) it does as often.
"""
