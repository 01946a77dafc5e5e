/** What a topic's `cleanup.policy` says. */
import type { TopicSettings } from '../common/settings.ts';

type Policy = Pick<TopicSettings, 'cleanup.policy'>;

/** Whether records go once a newer one has their key. */
export const isCompacted = ({ 'cleanup.policy': policy }: Policy): boolean => policy !== 'delete';

/** Whether records go by age and size. */
export const isDeleted = ({ 'cleanup.policy': policy }: Policy): boolean => policy !== 'compact';
