import { Type } from "typebox";
import type { App } from "./fastify-app.ts";
import { Problem, type ProblemCode, problems, problemTypeOf } from "./problems.ts";

const codes = Object.keys(problems) as ProblemCode[];

/** `GET /problems` and a page for each: what the `type` of a problem points at. */
export function problemPages(app: App): void {
  const schema = { hide: true, params: Type.Object({ code: Type.String() }) };
  app.get("/problems", { schema: { hide: true } }, (_request, reply) => {
    const rows = codes.map((code) => `<dt><a href="${problemTypeOf(code)}">${code}</a></dt><dd>${title(code)}</dd>`);
    return reply.type(html).send(page("Refusals", `<dl>${rows.join("")}</dl>`));
  });
  app.get("/problems/:code", { schema }, (request, reply) => {
    const code = codes.find((one) => one === request.params.code);
    if (code === undefined) throw new Problem("route_not_found", "There is no refusal with this code; see /problems.");
    const { status, remedy } = problems[code];
    const text = `<p>Status ${status}, code <code>${code}</code>.</p><p>${remedy}</p><p><a href="/problems">All refusals</a></p>`;
    return reply.type(html).send(page(title(code), text));
  });
}

const html = "text/html; charset=utf-8";

function title(code: ProblemCode): string {
  return problems[code].title;
}

/** @param body of our own text: nothing of a request is in it */
function page(heading: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${heading} – Holdfast</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/storefront.css">
</head>
<body><main><h1>${heading}</h1>${body}</main></body>
</html>
`;
}
