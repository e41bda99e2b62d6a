-- The rules of 008 hold for the rows that were there before, too. Writers go on meanwhile.
alter table orders validate constraint metadata_is_object, validate constraint untried_counted;
