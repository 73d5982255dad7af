"""Relations as a charm wants to see them: every remote side with its bags, in one walk."""

from . import tools


class Remote:
    """One relation of an endpoint, seen from this unit."""

    def __init__(self, relation):
        self.id = relation
        self._application = None
        self._application_data = None
        self._units = None

    @property
    def application(self):
        """The application at the other end."""
        if self._application is None:
            self._application = tools.relation_application(self.id)
        return self._application

    @property
    def application_data(self):
        """What the other application wrote for all its units."""
        if self._application_data is None:
            name = self.application
            self._application_data = tools.relation_get(self.id, name, app=True) if name else {}
        return self._application_data

    @property
    def units(self):
        """What each remote unit wrote, by unit name in number order."""
        if self._units is None:
            names = sorted(tools.relation_list(self.id), key=unit_number)
            self._units = {name: tools.relation_get(self.id, name) for name in names}
        return self._units

    def own(self):
        """What this unit wrote."""
        return tools.relation_get(self.id, tools.unit_name())

    def publish(self, values, app=False):
        """Writes into this unit's (with `app`: application's) bag. Equal values cost no hook elsewhere."""
        tools.relation_set(self.id, values, app=app)


def relations(endpoint):
    """All relations of an endpoint."""
    return [Remote(relation) for relation in tools.relation_ids(endpoint)]


def unit_number(name):
    """What units are ordered by: the application, then the number as a number."""
    application, _, number = name.rpartition("/")
    return application, int(number) if number.isdigit() else -1
