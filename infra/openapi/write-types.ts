import openapiTypes, { astToString } from "openapi-typescript";

const heading = `/**
 * The API's types, written by \`npm run openapi\` from openapi.json.
 */
`;

/** TypeScript's declarations of everything in a description. */
export async function writeTypes(description: string): Promise<string> {
  const types = await openapiTypes(JSON.parse(description), { alphabetize: true });
  return heading + astToString(types);
}
