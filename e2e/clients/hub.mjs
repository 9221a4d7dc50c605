// A real hub on a free port and an empty folder, for one test file.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const program = resolve(process.env.XINGLIN_BIN ?? 'bin/xinglin');

const freePort = () =>
  new Promise((done) => {
    const s = createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address();
      s.close(() => done(port));
    });
  });

export async function startHub() {
  const data = mkdtempSync(join(tmpdir(), 'xinglin-clients-'));
  const origin = `http://127.0.0.1:${await freePort()}`;
  const server = spawn(program, ['serve', '--data', data, '--listen', origin.slice('http://'.length)], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  server.stderr.on('data', (d) => (log += d));
  for (let tries = 0; ; tries++) {
    if (server.exitCode !== null || tries > 600) throw new Error(`the hub did not start:\n${log}`);
    const ready = await fetch(`${origin}/readyz`).then((r) => r.ok, () => false);
    if (ready) break;
    await new Promise((r) => setTimeout(r, 50));
  }
  const token = execFileSync(program, ['token', '--data', data, '--client', 'e2e', '--scope', 'system/*.cruds'], { encoding: 'utf8' }).trim();
  return {
    origin,
    base: `${origin}/fhir`,
    token,
    data,
    program,
    async stop() {
      const ended = new Promise((r) => server.once('exit', r));
      server.kill('SIGTERM');
      await ended;
      rmSync(data, { recursive: true, force: true });
    },
  };
}
