// The Express stack as its READMEs write it: an open route, and one behind express-jwt, jwks-rsa and
// express-jwt-authz. Arguments: port, issuer, audience.

const express = require("express");
const { expressjwt } = require("express-jwt");
const jwtAuthz = require("express-jwt-authz");
const jwksRsa = require("jwks-rsa");

const [port, issuer, audience] = process.argv.slice(2);
const app = express();

const checkJwt = expressjwt({
  secret: jwksRsa.expressJwtSecret({
    cache: true,
    rateLimit: true,
    jwksRequestsPerMinute: 5,
    jwksUri: `${issuer}.well-known/jwks.json`,
  }),
  audience,
  issuer,
  algorithms: ["RS256"],
});
const checkScopes = jwtAuthz(["read:users", "update:users"], {
  customScopeKey: "permissions",
  customUserKey: "auth",
  checkAllScopes: true,
});

app.get("/open", (req, res) => res.json({ sub: "auth0|66d1f0c2a9b7000000000000" }));
app.get("/protected", checkJwt, checkScopes, (req, res) => res.json({ sub: req.auth.sub }));
app.listen(Number(port), "127.0.0.1");
