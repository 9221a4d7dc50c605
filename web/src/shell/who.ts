import { createContext, useContext } from 'react';
import type { Me } from '../fhir/types';

export const MeContext = createContext<Me | null>(null);
export const useWho = () => useContext(MeContext);
