"""What can be wrong with an outline.

RuntimeError
├── OutlineBusy       another process is writing to it
├── OutlineCorrupt    its file is damaged, or belongs to another program
├── OutlineMismatch   it was made by another version
└── WorkerLost        a process that helped to build it is gone
LookupError
└── UnknownNode       no node of this outline has that id
"""

__all__ = ["OutlineBusy", "OutlineCorrupt", "OutlineMismatch", "UnknownNode", "WorkerLost"]


class OutlineBusy(RuntimeError):  # noqa: N818 - the public name says what is the case
    """Another process is writing to the outline and did not finish in time."""


class OutlineCorrupt(RuntimeError):  # noqa: N818 - as above
    """The file of the outline is damaged, or is none; it can only be built anew."""


class OutlineMismatch(RuntimeError):  # noqa: N818 - as above
    """The outline was made by another version of shoestring."""


class UnknownNode(LookupError):  # noqa: N818 - as above
    """No node of this outline has that id; the message says where ids come from."""


class WorkerLost(RuntimeError):  # noqa: N818 - as above
    """A process that read documents could not start or was killed; what was done before is kept."""
