"""A FastAPI API that Prometheus scrapes and a load balancer asks for its health.

export JWTAUTHZ_ISSUER=https://tenant.eu.auth0.com/ JWTAUTHZ_AUDIENCE=https://api.example.com
uvicorn --factory --app-dir examples/observability observability_api:create_app

curl localhost:8000/metrics        counters of decisions and fetches, and how the keys are
curl localhost:8000/health/ready   200, or 503 while there are no keys
curl localhost:8000/health/live    200 as long as the process answers

Scrape it with

scrape_configs:
  - job_name: users
    static_configs: [{targets: ["localhost:8000"]}]

and import dashboard.json into Grafana. What is at /metrics is nothing for strangers: let only your network reach
it, or serve it on a port of its own, `prometheus_client.start_http_server(9100)`.
"""

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from jwtauthz import ResourceServer
from jwtauthz.fastapi import JWTAuthz, health_endpoint
from jwtauthz.telemetry import PrometheusHook


def create_app(server: ResourceServer | None = None, registry: CollectorRegistry = REGISTRY) -> FastAPI:
    server = server or ResourceServer.from_env(hooks=[PrometheusHook(registry)])
    authz = JWTAuthz(server)
    app = FastAPI(title="Users", lifespan=server.lifespan)
    authz.init_app(app)
    app.add_route("/health/ready", health_endpoint(server))
    app.add_route("/health/live", health_endpoint(server, liveness=True))

    @app.get("/metrics", include_in_schema=False)
    def metrics():
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/users", dependencies=[authz.requires("read:users")])
    async def users():
        return {"users": ["ada", "grace"]}

    return app
