// An OpenID provider that no one here wrote (npm's oidc-provider), on a loopback port: two clients of two
// organisations get JWT access tokens for the resource that they name. "rotate" on standard input
// replaces its signing key; it ends when its standard input does.
import http from 'node:http';
import readline from 'node:readline';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import Provider from 'oidc-provider';

const [acme, beta] = process.argv.slice(2);
const organisation = { 'acme-importer': acme, 'beta-importer': beta };

function signingKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'ES256', use: 'sig' };
}

function answer(issuer) {
  const clients = [...Object.keys(organisation), 'without-organisation'].map((client_id) => ({
    client_id,
    client_secret: `secret-of-${client_id}`,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: 'ES256',
  }));
  const provider = new Provider(issuer, {
    clients,
    jwks: { keys: [signingKey()] },
    scopes: ['tickets:read'],
    extraTokenClaims: (_, token) => ({ org_id: organisation[token.clientId] }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: 'tickets:read',
          audience: resource,
          accessTokenTTL: 600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  return provider.callback();
}

let current;
const server = http.createServer((request, response) => current(request, response));
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  current = answer(issuer);
  console.log(`issuer ${issuer}`);
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    if (line === 'rotate') {
      current = answer(issuer);
      console.log('rotated');
    }
  });
  lines.on('close', () => process.exit(0));
});
