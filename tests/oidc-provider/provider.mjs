// A real OpenID Connect provider for tests/test_oidc.py: npm's oidc-provider
// with its own log-in pages. Anybody can log in under any name.
//
// node provider.mjs PORT ORIGIN SECRET: ORIGIN is the server under test.
// POST /rotate: sign with a new key from now on.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { setDefaultResultOrder } from 'node:dns';
import Provider from 'oidc-provider';

// The server under test listens on 127.0.0.1, and localhost may be ::1 first.
setDefaultResultOrder('ipv4first');

const [port, origin, secret] = process.argv.slice(2);

function key() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    ...privateKey.export({ format: 'jwk' }),
    kid: randomUUID(),
    use: 'sig',
    alg: 'RS256',
  };
}

const groups = { visitor: [], auditor: ['auditors'] };

function account(ctx, id) {
  return {
    accountId: id,
    claims: () => ({
      sub: id,
      email: id,
      email_verified: !id.startsWith('unverified'),
      name: 'Somebody There',
      groups: groups[id.split('.')[0]] ?? ['wards'],
    }),
  };
}

const configuration = {
  clients: [
    {
      client_id: 'eleusis',
      client_secret: secret,
      redirect_uris: [`${origin}/v1/auth/oidc/callback`],
      post_logout_redirect_uris: [`${origin}/login`],
      backchannel_logout_uri: `${origin}/v1/auth/oidc/backchannel`,
      backchannel_logout_session_required: true,
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
  ],
  findAccount: account,
  claims: {
    openid: ['sub', 'groups'],
    email: ['email', 'email_verified'],
    profile: ['name'],
  },
  conformIdTokenClaims: false,
  pkce: { required: () => true, methods: ['S256'] },
  cookies: { keys: [randomUUID()] },
  features: {
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    devInteractions: { enabled: true },
  },
};

// What it remembers lies outside, so a new one with new keys goes on with it.
function provider() {
  const made = new Provider(`http://localhost:${port}`, {
    ...configuration,
    jwks: { keys: [key()] },
  });
  made.on('server_error', (ctx, error) => console.error(error));
  made.on('grant.error', (ctx, error) => console.error(error.error_detail));
  made.on('backchannel.error', (ctx, error) => console.error(error));
  return made.callback();
}

let serve = provider();

createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/rotate') {
    serve = provider();
    response.writeHead(204).end();
    return;
  }
  serve(request, response);
}).listen(Number(port), 'localhost', () => console.log('ready'));
