/** For the image's HEALTHCHECK: exit code 0 where the process in this container is alive. */
const url = `http://127.0.0.1:${process.env.ADMIN_PORT}/healthz`;
const answer = await fetch(url, { signal: AbortSignal.timeout(2_500) }).catch(() => null);
process.exit(answer?.ok ? 0 : 1);
