"""An API for several organizations, in which one user may be admin in one and viewer in another.

A token says so in one of two ways, and both are taken:

* it was made by a login into one organization: `org_id` names it, `permissions` is what may be done there;
* it has a map of all organizations of its user: `{"org_a": ["admin"], "org_b": ["viewer"]}`.

The path of a request only says which organization is meant. What may be done there, the signed token says.

export JWTAUTHZ_ISSUER=https://tenant.eu.auth0.com/ JWTAUTHZ_AUDIENCE=https://api.example.com
export JWTAUTHZ_SCOPES_FROM="scope permissions"
uvicorn --factory --app-dir examples/organizations organizations_api:create_app
"""

from collections import defaultdict
from typing import Annotated

from fastapi import FastAPI, Security

from jwtauthz import Issuer, Requirement, ResourceServer, VerifiedToken, all_of, any_of, organization, step_up
from jwtauthz.fastapi import JWTAuthz

# What a role stands for; an admin is a viewer too.
ROLES = {
    "admin": ["viewer", "documents:write", "members:remove"],
    "viewer": ["documents:read"],
}
MAP = "https://example.com/organizations"


def may(scope: str) -> Requirement:
    """The token grants the scope in the organization of the path, in whichever way it says so."""
    by_login = all_of(organization("org_id"), scope)
    by_map = all_of(organization("org_id", claim=MAP), all_of(scope, claim=(MAP, "{org_id}")))
    return any_of(by_login, by_map)


def create_app(issuer: Issuer | None = None, audience: str | None = None) -> FastAPI:
    if issuer is None:
        server = ResourceServer.from_env(implies=ROLES)
    else:
        server = ResourceServer(issuer, audience, implies=ROLES)
    authz = JWTAuthz(server)
    app = FastAPI(title="Documents", lifespan=server.lifespan)
    authz.init_app(app)
    documents: dict[str, list[str]] = defaultdict(list)

    @app.get("/orgs/{org_id}/documents", dependencies=[authz.requires(may("documents:read"))])
    async def read(org_id: str):
        return {"documents": documents[org_id]}

    @app.post("/orgs/{org_id}/documents", status_code=201, dependencies=[authz.requires(may("documents:write"))])
    async def write(org_id: str, title: str):
        documents[org_id].append(title)
        return {"documents": documents[org_id]}

    # Who removes people has logged in within the last five minutes.
    removes = all_of(may("members:remove"), step_up(max_age=300))

    @app.delete("/orgs/{org_id}/members/{member}", dependencies=[authz.requires(removes)])
    async def remove(org_id: str, member: str, token: Annotated[VerifiedToken, Security(authz)]):
        return {"removed": member, "from": org_id, "by": token.subject}

    return app
