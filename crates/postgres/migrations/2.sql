-- When the request of a submission was written, by the server's clock; none while that is not known. It counts in the window from then.
ALTER TABLE backline.events ADD COLUMN left_at timestamptz;
