"""The wake room: what answers at the address of a pod that does not run, and pods that say they are in use."""

from core.wake.app import WakeApp

__all__ = ["WakeApp"]
