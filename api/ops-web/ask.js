// Asks the API under /ops/api. The browser sends the operator's name and password by itself.

/** A refusal, with what the API says of it. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The answer was ${status}.`);
    this.status = status;
    this.code = problem.code ?? null;
  }
}

const timeoutMs = 15_000;

/** @returns `{body, etag, serverTime}`; throws Refused, or an error in words where there is no answer */
export async function ask(method, path, { body, headers = {} } = {}) {
  const options = { method, headers: { ...headers }, signal: AbortSignal.timeout(timeoutMs) };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  const answer = await fetch(`/ops/api${path}`, options).catch(() => {
    const doubt = method === "GET" ? "" : " It may have been done all the same: look before you try again.";
    throw new Error(`The API did not answer.${doubt}`);
  });
  const text = await answer.text();
  const parsed = text === "" ? null : JSON.parse(text);
  if (!answer.ok) throw new Refused(answer.status, parsed ?? {});
  return { body: parsed, etag: answer.headers.get("etag"), serverTime: new Date(answer.headers.get("date")) };
}
