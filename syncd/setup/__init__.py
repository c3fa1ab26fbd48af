"""`syncd init`: from the shop's folder, or its database, to the settings of a running service. The command asks and
prints; here is what it asks about and what it does.

    platforms ──► shop_folder (files, configuration by php_files) ──► shop_database (tables, the shop's own settings)
        ──► trial (what would come of it, by the doctor) ──► database_login, env_file (doing it)
"""
