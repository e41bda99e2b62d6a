import openapiTypes, { astToString } from "openapi-typescript";

const heading = `/**
 * The API's types, written by \`npm run openapi\` from openapi.json.
 */
`;

/**
 * TypeScript's declarations of everything in a description.
 * @param {string} description
 */
export async function writeTypes(description) {
  const types = await openapiTypes(JSON.parse(description), { alphabetize: true });
  return heading + astToString(types);
}
