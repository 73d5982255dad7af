"""What runs when: the registry of handlers, and the two ways a reconciler says "not yet"."""

_hooks = []
_reconcilers = []
_actions = {}


class NotYet(Exception):
    """Ends the reconciling of this hook, without an error, with a status."""

    state = "waiting"


class Waiting(NotYet):
    """Something will come without the operator: a relation's data, another unit."""


class Blocked(NotYet):
    """The operator must act: attach a resource, relate, change a setting."""

    state = "blocked"


class ActionFailed(Exception):
    """Ends an action; the text is its failure message."""


def on(*names):
    """Runs the function in the named hooks; a trailing `*` stands for any end of the name."""

    def register(function):
        _hooks.append((names, function))
        return function

    return register


def reconcile(function):
    """Runs the function after the handlers of every hook between `install` and `stop`."""
    _reconcilers.append(function)
    return function


def action(*names):
    """Runs the function as an action."""

    def register(function):
        for name in names:
            _actions[name] = function
        return function

    return register


def handlers(hook_name):
    """The functions that `on` registered for this hook, lowest layer first."""
    return [function for names, function in _hooks if any(_matches(name, hook_name) for name in names)]


def reconcilers():
    """The functions that `reconcile` registered, lowest layer first."""
    return list(_reconcilers)


def action_handler(name):
    """The function for this action, or None."""
    return _actions.get(name)


def _matches(pattern, name):
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return pattern == name
