"""What a workflow could be, and what keeps it from being imported, before anything is stored."""

from comfyfleet.core.errors import Invalid
from comfyfleet.core.graphs import parse_graph
from comfyfleet.core.proposals import property_of, propose
from comfyfleet.core.workflows import check_slug, problems_of
from comfyfleet.protocol import workflows as wire
from comfyfleet.protocol.api import NewWorkflow, PropertyModel
from comfyfleet.server.workflows.service import spec_of_new


def proposal(request: wire.ProposalRequest) -> wire.ProposalView:
    """Read properties and outputs from a graph, or the property of one input; raise `GraphInvalid` for no graph."""
    graph = parse_graph(request.document)
    if request.node_id is not None and request.input_name is not None:
        found = property_of(graph, request.node_id, request.input_name)
        return wire.ProposalView(properties=[PropertyModel.from_property(found)] if found else [], outputs=[])
    read = propose(graph)
    return wire.ProposalView(
        properties=[PropertyModel.from_property(prop) for prop in read.properties],
        outputs=[wire.OutputView(**vars(output)) for output in read.outputs],
    )


def check(new: NewWorkflow) -> wire.CheckView:
    """Return all reasons why a workflow cannot be imported; raise `GraphInvalid` for what is no graph."""
    problems: list[Invalid] = []
    try:
        check_slug(new.slug)
    except Invalid as problem:
        problems.append(problem)
    problems += problems_of(spec_of_new(new))
    return wire.CheckView(
        problems=[wire.ProblemView(code=one.code, message=one.message, hint=one.hint) for one in problems]
    )
