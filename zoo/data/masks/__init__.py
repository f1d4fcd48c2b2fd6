"""Masks as people have them: finds the mask of each picture and reads its class ids.

A :class:`zoo.data.masks.forms.Form` is one way to keep masks: a file for each picture, a folder for each class, or COCO
JSON. :func:`zoo.data.masks.forms.form_of` tells which one a folder has.
"""
