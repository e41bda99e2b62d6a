import { createConfig, lintFromString } from "@redocly/openapi-core";

/**
 * Lints a description by the rules that Redocly recommends.
 * @param {string} description
 * @returns {Promise<string[]>} one line per finding
 */
export async function lintDescription(description) {
  const config = await createConfig({
    extends: ["recommended"],
    rules: {
      "operation-operationId": "error",
      "no-server-example.com": "off",
      // A guest session and the public pages are for anyone, and say so.
      "security-defined": "off",
      "operation-4xx-response": "off", // health refuses nobody
    },
  });
  const findings = await lintFromString({ source: description, absoluteRef: "openapi.json", config });
  return findings.map(({ ruleId, message, location }) => `${location[0]?.pointer ?? ""}: ${message} (${ruleId})`);
}
