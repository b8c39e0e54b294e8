"""Words for assistants: what the server says of itself, and the arguments that several tools share."""

from typing import Annotated, Literal

from pydantic import Field

INSTRUCTIONS = (
    "Podkeeper runs pods: containers with a web address of their own. Begin with template_list, then pod_start, and "
    "give the user the pod's `url`. A pod that nobody uses stops by itself at `stops_at`: pod_why says why, pod_keep "
    "puts it off. Running pods use compute: stop what is no longer needed. Before pod_terminate, volume_delete and "
    "costly starts Podkeeper asks the user itself. `hint` and error messages name the tool to call next."
)

Detail = Annotated[Literal["concise", "full"], Field(description="How much of each")]
PodRef = Annotated[str, Field(description="Name, id or unique prefix", max_length=63)]
Wait = Annotated[int, Field(description="At most, seconds", ge=0, le=300)]
Everyone = Annotated[bool, Field(description="Those of other people too (admins only)")]
VolumeRef = Annotated[str, Field(description="Name or id of a network volume", max_length=63)]
PortText = Annotated[str, Field(description="http unless it says tcp", max_length=20, examples=["8888", "22/tcp"])]
