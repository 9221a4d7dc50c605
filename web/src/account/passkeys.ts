// A browser's authenticator, in the words of the server: bytes travel as base64url text. Chrome 109 has no helpers for that.

export interface Asked { ceremony: string; options: Record<string, unknown> }

export const browserHasPasskeys = () => typeof PublicKeyCredential === 'function' && !!navigator.credentials;

const bytes = (text: string) => {
  const plain = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
};
const text = (buffer: ArrayBuffer | null | undefined) =>
  buffer ? btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '') : undefined;

interface Described { id: string; type: 'public-key'; transports?: AuthenticatorTransport[] }
const described = (list: unknown) => ((list ?? []) as Described[]).map((d) => ({ ...d, id: bytes(d.id) }));

export async function makePasskey({ options }: Asked) {
  const o = options as { challenge: string; user: { id: string; name: string; displayName: string }; excludeCredentials?: unknown };
  const made = (await navigator.credentials.create({
    publicKey: { ...(options as unknown as PublicKeyCredentialCreationOptions), challenge: bytes(o.challenge), user: { ...o.user, id: bytes(o.user.id) }, excludeCredentials: described(o.excludeCredentials) },
  })) as PublicKeyCredential;
  const r = made.response as AuthenticatorAttestationResponse;
  return {
    id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: {},
    response: { clientDataJSON: text(r.clientDataJSON), attestationObject: text(r.attestationObject), transports: r.getTransports?.() ?? [] },
  };
}

export async function showPasskey({ options }: Asked) {
  const o = options as { challenge: string; allowCredentials?: unknown };
  const shown = (await navigator.credentials.get({
    publicKey: { ...(options as unknown as PublicKeyCredentialRequestOptions), challenge: bytes(o.challenge), allowCredentials: described(o.allowCredentials) },
  })) as PublicKeyCredential;
  const r = shown.response as AuthenticatorAssertionResponse;
  return {
    id: shown.id, rawId: text(shown.rawId), type: shown.type, clientExtensionResults: {},
    response: { clientDataJSON: text(r.clientDataJSON), authenticatorData: text(r.authenticatorData), signature: text(r.signature), userHandle: text(r.userHandle) },
  };
}

// dismissed says whether the person closed the browser's own dialog, which is no error to tell of.
export const dismissed = (e: unknown) => e instanceof DOMException && (e.name === 'NotAllowedError' || e.name === 'AbortError');
